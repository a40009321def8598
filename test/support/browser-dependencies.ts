/**
 * The packages that browser tests import, by themselves or through what they test. Vite makes them fit for a browser;
 * one that it finds only when a test asks for it makes it reload the page under that test. test/architecture holds the list to
 * the truth.
 */
export const BROWSER_DEPENDENCIES: readonly string[] = [
  "@noble/hashes/hkdf.js",
  "@noble/hashes/hmac.js",
  "@noble/hashes/sha2.js",
  "bcryptjs",
  "hono",
  "idb",
  "jose",
  "peerjs",
  "react",
  "react-dom/client",
  "react-dom/server.browser",
];
