"""Sources of credentials: the environment, an encrypted file, the system's keyring."""
