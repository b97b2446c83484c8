// Lists the published request templates: file, header and the name of the body element.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, load, writeOutput } from './packages.mjs';

const { parseDuis } = load('@smartdcc/duis-parser');
const directory = join(folder('@smartdcc/duis-templates'), 'templates');

const templates = readdirSync(directory)
  .filter((file) => file.toUpperCase().endsWith('.XML'))
  .sort()
  .map((file) => {
    const { header, body } = parseDuis('simplified', readFileSync(join(directory, file)));
    return {
      file,
      originator: header.requestId.originatorId,
      target: header.requestId.targetId,
      command_variant: header.commandVariant.number,
      service_reference: header.serviceReference,
      service_reference_variant: header.serviceReferenceVariant['Service Reference Variant'],
      body: Object.keys(body)[0],
    };
  });

await writeOutput({ templates });
