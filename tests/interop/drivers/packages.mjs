// Finds the installed packages and speaks JSON over stdin and stdout. The packages are separate programs under their own licence.
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { join } from 'node:path';

const home = process.env.DCC_INTEROP_PACKAGES;
if (!home) {
  throw new Error('DCC_INTEROP_PACKAGES must name the folder that holds node_modules');
}

export const load = createRequire(join(home, 'package.json'));
export const folder = (name) => join(home, 'node_modules', name);

const plain = (_key, value) => (typeof value === 'bigint' ? value.toString() : value);

export async function readInput() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
}

export async function writeOutput(value) {
  if (!process.stdout.write(`${JSON.stringify(value, plain)}\n`)) await once(process.stdout, 'drain');
}

// Runs the action for every item, a few at a time, and keeps the order of the items.
export async function inParallel(items, limit, action) {
  const results = new Array(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = { name: items[index].name, ...(await action(items[index])) };
      } catch (error) {
        results[index] = { name: items[index].name, error: String(error?.message ?? error) };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, work));
  return results;
}
