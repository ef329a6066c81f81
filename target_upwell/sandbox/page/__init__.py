"""The page that shows what the account holds."""
