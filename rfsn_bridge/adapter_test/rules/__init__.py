"""The rules, one file a matter: each class is a `Check` and lists the rules it holds."""
