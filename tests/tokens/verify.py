"""Verifies an access token in Python, as docs/tokens.md has it, and refuses what it has to refuse."""

import os

import jwt

ISSUER, AUDIENCE, TOKEN = (os.environ[name] for name in ("ISSUER", "AUDIENCE", "TOKEN"))

keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json")


def verify(token, audience=AUDIENCE):
    key = keys.get_signing_key_from_jwt(token)
    whole = jwt.decode_complete(
        token,
        key,
        algorithms=[key.algorithm_name],
        issuer=ISSUER,
        audience=audience,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti", "client_id"]},
    )
    if whole["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return whole["payload"]


print("python: verified", verify(TOKEN)["sub"])
for token, audience in [(TOKEN, "another"), (TOKEN[:-4] + "AAAA", AUDIENCE)]:
    try:
        verify(token, audience)
    except jwt.InvalidTokenError:
        continue
    raise SystemExit("a token that is not right was accepted")
