// What mailparser and postal-mime show of messages. Standard input: for each its length in decimal
// digits, a line end and the message. Prints a JSON list of [number, reader, text] where there is text.
import { readFileSync } from "node:fs";
import { simpleParser } from "mailparser";
import PostalMime from "postal-mime";

const input = readFileSync(0);
const shown = [];
let number = 0;

for (let at = 0; at < input.length; number++) {
  const end = input.indexOf(10, at);
  const length = Number(input.subarray(at, end).toString());
  const message = input.subarray(end + 1, end + 1 + length);
  at = end + 1 + length;

  const first = await simpleParser(message, { skipTextToHtml: true, skipImageLinks: true });
  const second = await PostalMime.parse(message);
  for (const [reader, mail] of [["mailparser", first], ["postal-mime", second]])
    for (const text of [mail.text, mail.html])
      if (text && text.trim() !== "") shown.push([number, reader, text]);
}
process.stdout.write(JSON.stringify({ number, shown }));
