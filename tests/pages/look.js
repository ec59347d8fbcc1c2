"use strict";
// look.js BROWSER PORT DIRECTORY: opens the pages that standard input lists as JSON ({name, path,
// width, scheme}) in a headless browser and prints as JSON what it saw: axe-core's complaints,
// requests, console messages, the width that the page needs, elements beyond it. A picture of each goes to DIRECTORY.
// With clicks, the button is clicked so often; went lists where that led, refused is what the page said.
const axe = require("axe-core");
const fs = require("fs");
const puppeteer = require("puppeteer-core");

const HOST = "relay.test";
const [browserPath, port, directory] = process.argv.slice(2);

async function click(page, clicks) {
	const went = [];
	const session = await page.createCDPSession();
	await session.send("Page.enable");
	session.on("Page.frameRequestedNavigation", (navigation) => went.push(navigation.url));
	for (let done = 1; done <= clicks; done++) {
		await page.click(".button");
		for (let waited = 0; waited < 600; waited++) {
			const told = await page.evaluate("!document.getElementById('refused').hidden");
			if (told || went.length >= done)
				break;
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	}
	const refused = await page.evaluate("document.getElementById('refused').textContent");
	return { went, refused };
}

async function look(browser, { name, path, width, scheme, clicks }) {
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
	const outside = await page.evaluate(`[...document.body.querySelectorAll("*")]
		.filter((e) => { const r = e.getBoundingClientRect(); return r.left < -1 || r.right > innerWidth + 1; })
		.map((e) => e.outerHTML.slice(0, 100))`);
	// Beyond the viewport Chromium moves a page that is written from right to left.
	await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true, captureBeyondViewport: false });
	await page.evaluate(axe.source);
	const { violations } = await page.evaluate("axe.run()");
	const clicked = clicks ? await click(page, clicks) : {};
	await page.close();
	const complaints = violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(" ")}`);
	return { name, requests, messages, needed, outside, button, complaints, ...clicked };
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
