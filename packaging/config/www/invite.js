"use strict";
// The invitation follows the '#'; browsers do not send that part of a link.
const token = location.hash.slice(1);
const valid = /^[a-km-np-z2-9]{26}$/.test(token);
const button = document.getElementById("button");

function drawCode() {
	fetch("/invite/qr", { method: "POST", body: token })
		.then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
		.then((text) => new DOMParser().parseFromString(text, "image/svg+xml"))
		.then((svg) => document.getElementById("qr").append(svg.documentElement))
		.catch(() => {});
}

// A client that cannot verify the relay's certificate cannot request an account; so the page requests one for
// it, once.
let login = null;
async function logIn(event) {
	event.preventDefault();
	const refused = document.getElementById("refused");
	login ??= fetch(`/new?${token}`, { method: "POST" }).then((answer) => answer.json());
	try {
		const answer = await login;
		refused.textContent = answer.reason || "";
		if (answer.dclogin_url)
			location.href = answer.dclogin_url;
		else
			login = null;
	} catch (error) {
		refused.textContent = String(error);
		login = null;
	}
	refused.hidden = refused.textContent === "";
}

document.getElementById(valid ? "invitation" : "missing").hidden = false;
if (valid) {
	for (const link of document.querySelectorAll("nav a"))
		link.hash = location.hash;
	if ("login" in button.dataset) {
		button.addEventListener("click", logIn);
	} else {
		button.href = `dcaccount:${location.origin}/new?${token}`;
		drawCode();
	}
}
window.addEventListener("hashchange", () => location.reload());
