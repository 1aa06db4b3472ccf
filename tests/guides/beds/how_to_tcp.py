"""sudo asks for no password: the page says what to add where it does."""

FLAVOURS = {"web1": "baked"}
PASSWORDLESS = True
