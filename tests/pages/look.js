"use strict";
// look.js BROWSER PORT DIRECTORY: opens the pages that standard input lists as JSON ({name, path,
// width, scheme}) in a headless browser and prints as JSON what it saw: axe-core's complaints,
// requests, console messages, the width that the page needs. A picture of each goes to DIRECTORY.
const axe = require("axe-core");
const fs = require("fs");
const puppeteer = require("puppeteer-core");

const HOST = "relay.test";
const [browserPath, port, directory] = process.argv.slice(2);

async function look(browser, { name, path, width, scheme }) {
	const page = await browser.newPage();
	const requests = [];
	const messages = [];
	page.on("request", (request) => requests.push(request.url()));
	page.on("console", (message) => messages.push(message.text()));
	page.on("pageerror", (error) => messages.push(String(error)));
	await page.setViewport({ width, height: 900 });
	await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
	await page.goto(`https://${HOST}:${port}${path}`, { waitUntil: "networkidle0" });
	const needed = await page.evaluate("document.documentElement.scrollWidth");
	const button = await page.evaluate(
		"[...document.querySelectorAll('.button')].filter((b) => b.offsetParent).map((b) => b.href)");
	await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true });
	await page.evaluate(axe.source);
	const { violations } = await page.evaluate("axe.run()");
	await page.close();
	const complaints = violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(" ")}`);
	return { name, requests, messages, needed, button, complaints };
}

async function main() {
	const browser = await puppeteer.launch({
		executablePath: browserPath,
		acceptInsecureCerts: true,
		args: ["--no-sandbox", "--disable-gpu", `--host-resolver-rules=MAP ${HOST} 127.0.0.1`],
	});
	const seen = [];
	for (const page of JSON.parse(fs.readFileSync(0)))
		seen.push(await look(browser, page));
	await browser.close();
	console.log(JSON.stringify(seen));
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
