"use strict";
// The invitation follows the '#'; browsers do not send that part of a link. Whatever a message had after the
// link, such as a full stop, may have become a part of it.
const [, token] = /^#([a-km-np-z2-9]{26})[^a-zA-Z0-9]*$/.exec(location.hash) ?? [];
const element = (id) => document.getElementById(id);

function drawCode() {
	fetch("/invite/qr", { method: "POST", body: token })
		.then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
		.then((text) => new DOMParser().parseFromString(text, "image/svg+xml"))
		.then((svg) => element("qr").append(svg.documentElement))
		.then(() => (element("scan").hidden = false))
		.catch(() => {});
}

// A client that cannot verify the relay's certificate cannot request an account; so the page requests one for
// it, once. The relay's reasons are in English.
let login = null;
async function logIn(event) {
	event.preventDefault();
	element("failed").hidden = true;
	login ??= fetch(`/new?${token}`, { method: "POST" }).then((answer) => answer.json());
	try {
		const answer = await login;
		element("refused").textContent = answer.reason ?? "";
		element("refused").hidden = !answer.reason;
		if (answer.dclogin_url)
			location.href = answer.dclogin_url;
		else
			login = null;
	} catch {
		element("refused").hidden = true;
		element("failed").hidden = false;
		login = null;
	}
}

element(token ? "invitation" : "missing").hidden = false;
if (token) {
	const button = element("button");
	for (const link of document.querySelectorAll("nav a"))
		link.hash = token;
	if ("login" in button.dataset) {
		button.addEventListener("click", logIn);
	} else {
		button.href = `dcaccount:${location.origin}/new?${token}`;
		drawCode();
	}
}
window.addEventListener("hashchange", () => location.reload());
