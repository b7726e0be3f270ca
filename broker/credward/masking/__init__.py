"""Text of others with everything masked that may be a secret, for a person who will read it.

Rather masks too much: a name of a project with a long number in it is gone too. What nobody should
read at all does not come here; our own secrets are `tokens.Secret`, which never prints.

Why no library: detect-secrets and gitleaks find secrets in files for a review. They report lines
instead of where a value ends, want quotes around a password (detect-secrets, issue 699) or ten
characters without marks, and keep what has little entropy; gitleaks is another program. scrubadub
is made for names and addresses of people, and brings libraries for statistics. Smaller ones are
lists of expressions, as was here. Their prefixes of vendors are in `looks`.
"""

from credward.masking.names import is_secret_name
from credward.masking.text import MASK, last_line, masked, masked_members

__all__ = ["MASK", "is_secret_name", "last_line", "masked", "masked_members"]
