"""Why a network that could learn anything by heart learns something."""
