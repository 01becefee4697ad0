"""What a study's report says, as numbers: frozen values, derived from its history alone."""
