// Validates signed messages with the DCC's own tool (schema and signature), then reads them with the DCC's own parser and says
// whether its type guards take them for a response.
import { inParallel, load, readInput, writeOutput } from './packages.mjs';

const parser = load('@smartdcc/duis-parser');
const { validateDuis } = load('@smartdcc/duis-sign-wrap');

async function validate(item) {
  const xml = await validateDuis({ xml: item.xml });
  const parsed = parser.parseDuis('simplified', xml);
  const guards = {
    response: parser.isSimplifiedDuisOutputResponse(parsed),
    response_message: parser.isSimplifiedDuisResponseBody_ResponseMessage(parsed.body),
    device_alert: parser.isSimplifiedDuisResponseBody_DeviceAlertMessage(parsed.body),
    dcc_alert: parser.isSimplifiedDuisResponseBody_DCCAlertMessage(parsed.body),
  };
  return { parsed, guards };
}

const { items, parallel } = await readInput();
await writeOutput({ results: await inParallel(items, parallel ?? 2, validate) });
