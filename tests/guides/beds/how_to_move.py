"""sudo asks for no password: the page says what to add where it does."""

PASSWORDLESS = True
