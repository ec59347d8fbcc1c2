"use strict";
// The invitation is what follows the '#', which browsers send to nobody.
const token = location.hash.slice(1);
const valid = /^[a-km-np-z2-9]{26}$/.test(token);
document.getElementById(valid ? "invitation" : "missing").hidden = false;
if (valid) {
	document.getElementById("button").href = `dcaccount:${location.origin}/new?${token}`;
	for (const link of document.querySelectorAll("nav a"))
		link.hash = location.hash;
	fetch("/invite/qr", { method: "POST", body: token })
		.then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status)))
		.then((text) => new DOMParser().parseFromString(text, "image/svg+xml"))
		.then((svg) => document.getElementById("qr").append(svg.documentElement))
		.catch(() => {});
}
window.addEventListener("hashchange", () => location.reload());
