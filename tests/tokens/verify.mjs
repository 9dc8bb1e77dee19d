// Verifies an access token in Node, as docs/tokens.md has it, and refuses what it has to refuse.
import assert from "node:assert";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { ISSUER, AUDIENCE, TOKEN } = process.env;

const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", ISSUER));

const verify = (token, audience = AUDIENCE) =>
  jwtVerify(token, keys, { issuer: ISSUER, audience, typ: "at+jwt", algorithms: ["ES256", "RS256"] });

const { payload } = await verify(TOKEN);
for (const name of ["sub", "sid", "jti", "client_id"]) assert.ok(payload[name], name);
await assert.rejects(verify(TOKEN, "another"));
await assert.rejects(verify(TOKEN.slice(0, -4) + "AAAA"));

// A strict verifier of RFC 9068 takes it, too, and finds the keys by the issuer.
const { auth } = await import("express-oauth2-jwt-bearer");
const strict = auth({
  issuerBaseURL: ISSUER,
  audience: AUDIENCE,
  strict: true,
});
const headers = { host: "localhost", authorization: `Bearer ${TOKEN}` };
const get = (name) => headers[name.toLowerCase()];
const request = { headers, get, query: {}, method: "GET", protocol: "http", url: "/", is: () => false };
await new Promise((done, failed) => strict(request, {}, (error) => (error ? failed(error) : done())));
assert.equal(request.auth.payload.sub, payload.sub);
console.log("node: verified", payload.sub);
