// One client in Java, used once for each line on standard input: `Using.java KIND`.
// As using.py: variables say where its credential comes from, and which SERVICE takes it.
import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.google.auth.oauth2.GoogleCredentials;
import com.google.auth.oauth2.IdTokenCredentials;
import com.google.auth.oauth2.IdTokenProvider;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import software.amazon.awssdk.services.sts.StsClient;

public class Using {
    static final String SERVICE = System.getenv("SERVICE");
    static final String SCOPE = "https://www.googleapis.com/auth/cloud-platform";
    static final String AUDIENCE = "https://app.example.com";
    static final HttpClient HTTP = HttpClient.newHttpClient();

    interface Use {
        void once() throws Exception;
    }

    static void show(String authorization) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(SERVICE + "/whoami"))
                .header("Authorization", authorization).build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) throw new Exception(answer.statusCode() + " " + answer.body());
    }

    static Use google(com.google.auth.Credentials found) {
        return () -> show(found.getRequestMetadata(URI.create("https://example.com")).get("Authorization").get(0));
    }

    static Use make(String kind) throws Exception {
        switch (kind) {
            case "sts":
                StsClient client = StsClient.create();
                return client::getCallerIdentity;
            case "googleDefault":
                return google(GoogleCredentials.getApplicationDefault().createScoped(List.of(SCOPE)));
            case "googleIdentity":
                IdTokenProvider account = (IdTokenProvider) GoogleCredentials.getApplicationDefault();
                return google(IdTokenCredentials.newBuilder()
                        .setIdTokenProvider(account).setTargetAudience(AUDIENCE).build());
            case "azureManagedIdentity":
                var found = new ManagedIdentityCredentialBuilder().build();
                var asked = new TokenRequestContext().addScopes("https://vault.azure.net/.default");
                return () -> show("Bearer " + found.getTokenSync(asked).getToken());
            default:
                throw new IllegalArgumentException(kind);
        }
    }

    public static void main(String[] words) throws Exception {
        Use use = make(words[0]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            try {
                use.once();
                System.out.println("ok");
            } catch (Exception error) {
                System.out.println(error.toString().replace("\n", " "));
            }
        }
        System.exit(0);
    }
}
