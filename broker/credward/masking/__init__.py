"""Text of others with everything masked that may be a secret, for a person who will read it.

Rather masks too much: a name of a project with a long number in it is gone too. What nobody should
read at all does not come here; our own secrets are `tokens.Secret`, which never prints.
"""

from credward.masking.names import is_secret_name
from credward.masking.text import MASK, last_line, masked, masked_members

__all__ = ["MASK", "is_secret_name", "last_line", "masked", "masked_members"]
