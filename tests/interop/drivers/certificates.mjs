// Asks the SMKI service through the DCC's own key store client, as the Node-RED nodes do.
import { inParallel, load, readInput, writeOutput } from './packages.mjs';

const { BoxedKeyStore, KeyUsage } = load('@smartdcc/dccboxed-keystore');
const usages = { DS: KeyUsage.digitalSignature, KA: KeyUsage.keyAgreement };

const { smki, items } = await readInput();
const store = await BoxedKeyStore.new(smki);

async function query(item) {
  const question =
    item.serial === undefined
      ? { eui: item.eui, keyUsage: usages[item.usage], lookup: item.lookup ?? 'certificate' }
      : { serial: BigInt(item.serial), lookup: item.lookup ?? 'certificate' };
  const found = await store.query(question);
  const list = found === null ? [] : Array.isArray(found) ? found : [found];
  return {
    certificates: list.map((entry) => ({
      eui: entry.eui.toString(),
      serial: entry.serial,
      role: entry.role,
      name: entry.name,
      usage: entry.keyUsage.map((bit) => KeyUsage[bit]),
      pem: entry.certificate?.toString(),
    })),
  };
}

try {
  await writeOutput({ results: await inParallel(items, 1, query) });
} finally {
  await store.cleanup();
}
