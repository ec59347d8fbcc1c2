// Prints OpenPGP messages as a JSON object {name: armor}, each made by OpenPGP.js itself.
const openpgp = require("openpgp");

const v6 = { v6Keys: true, aeadProtect: true };

async function keyPair(config) {
  const pair = await openpgp.generateKey({
    userIDs: [{ email: "bob@relay.test" }],
    format: "object",
    config,
  });
  return { encryptionKeys: pair.publicKey, signingKeys: pair.privateKey };
}

async function encrypt(size, options) {
  const message = await openpgp.createMessage({ binary: new Uint8Array(size).fill(97) });
  return openpgp.encrypt({ message, ...options });
}

async function main() {
  const old = await keyPair({});
  const young = await keyPair(v6);
  const uncompressed = { preferredCompressionAlgorithm: openpgp.enums.compression.uncompressed };
  const commented = { showComment: true, showVersion: true };
  process.stdout.write(
    JSON.stringify({
      "seipd1": await encrypt(100, { encryptionKeys: old.encryptionKeys }),
      "seipd1-signed": await encrypt(100, old),
      "seipd1-two-keys": await encrypt(100, {
        encryptionKeys: [old.encryptionKeys, young.encryptionKeys],
        config: { aeadProtect: false },
      }),
      "seipd1-anonymous": await encrypt(100, { encryptionKeys: old.encryptionKeys, wildcard: true }),
      "seipd1-large": await encrypt(1000000, { encryptionKeys: old.encryptionKeys, config: uncompressed }),
      "seipd1-password": await encrypt(100, { passwords: "secret" }),
      "seipd1-headers": await encrypt(100, { encryptionKeys: old.encryptionKeys, config: commented }),
      "seipd2": await encrypt(100, { encryptionKeys: young.encryptionKeys, config: v6 }),
      "seipd2-signed": await encrypt(100, { ...young, config: v6 }),
      "seipd2-large": await encrypt(1000000, {
        encryptionKeys: young.encryptionKeys,
        config: { ...v6, ...uncompressed },
      }),
      "seipd2-password": await encrypt(100, { passwords: "secret", config: v6 }),
      "signed-only": await openpgp.sign({
        message: await openpgp.createMessage({ text: "not encrypted" }),
        signingKeys: old.signingKeys,
      }),
    }),
  );
}

main();
