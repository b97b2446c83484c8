// Signs requests with the DCC's own tool. An item is either ready XML or a template file, whose parties may be replaced the way
// the stock client does: through the parsed form, with counter 0 so that the tool stamps the time. A Signed Pre-Command is a
// template with another body, command variant and the counter of its Transform.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, inParallel, load, readInput, writeOutput } from './packages.mjs';

const { constructDuis, lookupCV, parseDuis } = load('@smartdcc/duis-parser');
const { signDuis } = load('@smartdcc/duis-sign-wrap');
const directory = join(folder('@smartdcc/duis-templates'), 'templates');

function unsigned(item) {
  if (item.xml !== undefined) return item.xml;
  const { header, body } = parseDuis('simplified', readFileSync(join(directory, item.template)));
  const requestId = { ...header.requestId, counter: BigInt(item.counter ?? 0) };
  if (item.originator) requestId.originatorId = item.originator;
  if (item.target) requestId.targetId = item.target;
  const commandVariant = item.command_variant ? lookupCV(item.command_variant) : header.commandVariant;
  return constructDuis('simplified', { header: { ...header, requestId, commandVariant }, body: item.body ?? body });
}

const used = new Set();

async function sign(item) {
  const preserveCounter = Boolean(item.preserve_counter ?? item.counter);
  const xml = unsigned(item);
  for (;;) {
    const signed = await signDuis({ xml, preserveCounter });
    const { originatorId, targetId, counter } = parseDuis('simplified', signed).header.requestId;
    const identity = `${originatorId}:${targetId}:${counter}`;
    // Two processes of the tool may stamp the same millisecond.
    if (preserveCounter || !used.has(identity)) {
      used.add(identity);
      return { xml: signed, request_id: identity };
    }
  }
}

const { items, parallel } = await readInput();
await writeOutput({ results: await inParallel(items, parallel ?? 2, sign) });
