// One client in Go, used once for each line on standard input: `using KIND`.
// As using.py: variables say where its credential comes from, and which SERVICE takes it.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"cloud.google.com/go/compute/metadata"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/bedrock"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/vertex"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	scope    = "https://www.googleapis.com/auth/cloud-platform"
	audience = "https://app.example.com"
	resource = "https://vault.azure.net/.default"
)

var service = os.Getenv("SERVICE")
var background = context.Background()

type use func() error

func show(client *http.Client, token string) error {
	request, err := http.NewRequest("GET", service+"/whoami", nil)
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return fmt.Errorf("%s", answer.Status)
	}
	return nil
}

func message(client anthropic.Client) use {
	return func() error {
		_, err := client.Messages.New(background, anthropic.MessageNewParams{
			Model:     "claude-test",
			MaxTokens: 1,
			Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))},
		})
		return err
	}
}

func aws() (use, error) {
	found, err := config.LoadDefaultConfig(background)
	if err != nil {
		return nil, err
	}
	client := sts.NewFromConfig(found)
	return func() error {
		_, err := client.GetCallerIdentity(background, &sts.GetCallerIdentityInput{})
		return err
	}, nil
}

func googleDefault() (use, error) {
	found, err := google.FindDefaultCredentials(background, scope)
	if err != nil {
		return nil, err
	}
	client := oauth2.NewClient(background, found.TokenSource)
	return func() error { return show(client, "") }, nil
}

func googleMetadata() (use, error) {
	path := "instance/service-accounts/default/identity?audience=" + url.QueryEscape(audience) + "&format=full"
	return func() error {
		if !metadata.OnGCE() {
			return fmt.Errorf("not on GCE")
		}
		token, err := metadata.GetWithContext(background, path)
		if err != nil {
			return err
		}
		return show(http.DefaultClient, token)
	}, nil
}

func azure(found azcore.TokenCredential, err error) (use, error) {
	if err != nil {
		return nil, err
	}
	return func() error {
		token, err := found.GetToken(background, policy.TokenRequestOptions{Scopes: []string{resource}})
		if err != nil {
			return err
		}
		return show(http.DefaultClient, token.Token)
	}, nil
}

func azureManagedIdentity() (use, error) {
	found, err := azidentity.NewManagedIdentityCredential(nil)
	return azure(found, err)
}

func azureDefault() (use, error) {
	found, err := azidentity.NewDefaultAzureCredential(nil)
	return azure(found, err)
}

func anthropicBedrock() (use, error) {
	return message(anthropic.NewClient(
		bedrock.WithLoadDefaultConfig(background), option.WithBaseURL(service), option.WithMaxRetries(0))), nil
}

func anthropicVertex() (use, error) {
	return message(anthropic.NewClient(
		vertex.WithGoogleAuth(background, "global", "project", scope),
		option.WithBaseURL(service), option.WithMaxRetries(0))), nil
}

func main() {
	kinds := map[string]func() (use, error){
		"aws": aws, "googleDefault": googleDefault, "googleMetadata": googleMetadata,
		"azureManagedIdentity": azureManagedIdentity, "azureDefault": azureDefault,
		"anthropicBedrock": anthropicBedrock, "anthropicVertex": anthropicVertex,
	}
	once, err := kinds[os.Args[1]]()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err == nil {
			if failed := once(); failed != nil {
				fmt.Println(strings.ReplaceAll(failed.Error(), "\n", " "))
				continue
			}
			fmt.Println("ok")
			continue
		}
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
	}
}
