// What mailparser and postal-mime show of messages. Standard input: for each "in" or "out", a space, its
// length in decimal digits, a line end and the message. Prints as JSON how many there are, and a list
// of [number, reader, text] where there is text; in an outgoing one's header, too.
import { readFileSync } from "node:fs";
import { simpleParser } from "mailparser";
import PostalMime from "postal-mime";

const input = readFileSync(0);
const shown = [];
let number = 0;

// Attachments that a mail program may show in place.
function attached(mail, type) {
  return mail.attachments
    .filter((part) => /^(text|message)\//i.test(part[type] ?? ""))
    .map((part) => Buffer.from(part.content).toString());
}

function names(addresses) {
  return [addresses].flat().flatMap((address) =>
    address === undefined ? [] : [address.name, ...names(address.value), ...names(address.group)],
  );
}

// It gives up at a character set that it does not know.
async function readByPostalMime(message) {
  try {
    return await PostalMime.parse(message);
  } catch (error) {
    if (error.code === "ERR_ENCODING_NOT_SUPPORTED") return { attachments: [] };
    throw error;
  }
}

for (let at = 0; at < input.length; number++) {
  const end = input.indexOf(10, at);
  const [direction, length] = input.subarray(at, end).toString().split(" ");
  const message = input.subarray(end + 1, end + 1 + Number(length));
  at = end + 1 + Number(length);

  const first = await simpleParser(message, { skipTextToHtml: true, skipImageLinks: true });
  const second = await readByPostalMime(message);
  for (const [reader, mail, type] of [["mailparser", first, "contentType"], ["postal-mime", second, "mimeType"]]) {
    const texts = [mail.text, mail.html, ...attached(mail, type)];
    if (direction === "out")
      texts.push(mail.subject, ...names([mail.from, mail.sender, mail.replyTo, mail.to, mail.cc].flat()));
    for (const text of texts)
      if (text && text.trim() !== "") shown.push([number, reader, text]);
  }
}
process.stdout.write(JSON.stringify({ number, shown }));
