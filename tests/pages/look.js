"use strict";
// look.js BROWSER HOST:PORT DIRECTORY: opens the pages that standard input lists as JSON ({name, path,
// width, scheme}) of this machine in a headless browser and prints as JSON what it saw: axe-core's complaints,
// requests, console messages, the width that the page needs, elements beyond it. A picture of each goes to DIRECTORY.
// With clicks, the button is clicked so often; went lists where that led, refused and failed are what the page
// said. Requests to the path block fail. told is the text that a reader sees.
const axe = require("axe-core");
const fs = require("fs");
const puppeteer = require("puppeteer-core");

const [browserPath, site, directory] = process.argv.slice(2);

async function click(page, clicks) {
	const went = [];
	const session = await page.createCDPSession();
	await session.send("Page.enable");
	session.on("Page.frameRequestedNavigation", (navigation) => went.push(navigation.url));
	// A second navigation before this event would be lost.
	let ended = 0;
	session.on("Page.frameStoppedLoading", () => ended++);
	for (let done = 1; done <= clicks; done++) {
		await page.click(".button");
		for (let waited = 0; waited < 600; waited++) {
			const told = await page.evaluate("[...document.querySelectorAll('[role=alert]')].some((e) => !e.hidden)");
			if (told || (went.length >= done && ended >= done))
				break;
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	}
	const text = (id) => `document.getElementById("${id}").innerText`;
	return { went, refused: await page.evaluate(text("refused")), failed: await page.evaluate(text("failed")) };
}

async function look(browser, { name, path, width, scheme, clicks, block }) {
	const page = await browser.newPage();
	const requests = [];
	const messages = [];
	page.on("request", (request) => requests.push(request.url()));
	page.on("console", (message) => messages.push(message.text()));
	page.on("pageerror", (error) => messages.push(String(error)));
	await page.setViewport({ width, height: 900 });
	await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
	if (block) {
		await page.setRequestInterception(true);
		page.on("request", (r) => (new URL(r.url()).pathname === block ? r.abort() : r.continue()));
	}
	await page.goto(`https://${site}${path}`, { waitUntil: "networkidle0" });
	const needed = await page.evaluate("document.documentElement.scrollWidth");
	const button = await page.evaluate(
		"[...document.querySelectorAll('.button')].filter((b) => b.offsetParent).map((b) => b.href)");
	const outside = await page.evaluate(`[...document.body.querySelectorAll("*")]
		.filter((e) => { const r = e.getBoundingClientRect(); return r.left < -1 || r.right > innerWidth + 1; })
		.map((e) => e.outerHTML.slice(0, 100))`);
	const clicked = clicks ? await click(page, clicks) : {};
	const told = await page.evaluate("document.querySelector('main').innerText");
	const sizes = await page.evaluate(`[...document.querySelectorAll("svg.qr")]
		.map((s) => s.querySelector("path").getBoundingClientRect().width / s.viewBox.baseVal.width)`);
	// Beyond the viewport Chromium moves a page that is written from right to left.
	await page.screenshot({ path: `${directory}/${name}.png`, fullPage: true, captureBeyondViewport: false });
	await page.evaluate(axe.source);
	const { violations } = await page.evaluate("axe.run()");
	await page.close();
	const complaints = violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(" ")}`);
	return { name, requests, messages, needed, outside, button, told, sizes, complaints, ...clicked };
}

async function main() {
	const browser = await puppeteer.launch({
		executablePath: browserPath,
		acceptInsecureCerts: true,
		args: ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * 127.0.0.1"],
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
