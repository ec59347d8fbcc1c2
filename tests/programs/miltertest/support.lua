-- What the scripts share. `socket`, `support` and `payload` are given with -D.

CONTINUE = string.byte("c")
REFUSED = string.byte("y") -- a reply with code and text
ACCEPT = string.byte("a")

LOGIN = "bob1@relay.test"
PEER = "alice@peer.test"
NOT_ENCRYPTED = "523 Encryption Needed: Invalid Unencrypted Mail"

function check(condition, what)
	if not condition then
		mt.echo("failed: " .. what)
		error(what)
	end
end

-- Every call of miltertest's returns nil if it went well.
function done(result, what)
	check(result == nil, what .. ": " .. tostring(result))
end

function expect(connection, wanted, what)
	local got = mt.getreply(connection)
	check(got == wanted, what .. ": reply " .. string.char(got))
end

function open()
	local connection = mt.connect(socket)
	check(connection ~= nil, "no connection")
	done(mt.negotiate(connection, nil, nil, nil), "negotiate")
	done(mt.conninfo(connection, "peer.test", "192.0.2.1"), "connection")
	return connection
end

-- MAIL FROM; login is nil for other mail servers.
function mail(connection, sender, login)
	if login ~= nil then
		done(mt.macro(connection, SMFIC_MAIL, "{mail_addr}", sender, "{auth_authen}", login), "macro")
	else
		done(mt.macro(connection, SMFIC_MAIL, "{mail_addr}", sender), "macro")
	end
	done(mt.mailfrom(connection, "<" .. sender .. ">", "SIZE=1000"), "MAIL FROM")
end

function recipient(connection, address)
	done(mt.rcptto(connection, "<" .. address .. ">"), "RCPT TO")
	expect(connection, CONTINUE, "RCPT TO")
end

function header(connection, name, value)
	done(mt.header(connection, name, " " .. value), name)
end

function end_of_headers(connection)
	done(mt.eoh(connection), "end of headers")
end

function body(connection, text)
	done(mt.bodystring(connection, text), "body")
end

function end_of_message(connection)
	done(mt.eom(connection), "end of message")
end

-- The header of an encrypted message, up to its end.
function encrypted_header(connection, from)
	header(connection, "From", "<" .. from .. ">")
	header(connection, "To", '"hidden-recipients": ;')
	header(connection, "Subject", "[...]")
	header(connection, "Message-ID", "<1@localhost>")
	header(connection, "MIME-Version", "1.0")
	header(connection, "Content-Type",
		'multipart/encrypted; protocol="application/pgp-encrypted";\n boundary="b"')
	end_of_headers(connection)
end

-- `payload` is the base64 of a PKESK of version 3 and SEIPD of version 1, as far as anybody without the key can tell.
ENCRYPTED_BODY = "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n"
	.. "--b\r\nContent-Type: application/octet-stream\r\n\r\n"
	.. "-----BEGIN PGP MESSAGE-----\r\n\r\n"
	.. string.gsub(payload, string.rep(".", 64), "%0\r\n")
	.. "\r\n-----END PGP MESSAGE-----\r\n\r\n--b--\r\n"

-- A whole outgoing message that passes.
function send_encrypted(connection)
	mail(connection, LOGIN, LOGIN)
	expect(connection, CONTINUE, "MAIL FROM")
	recipient(connection, PEER)
	encrypted_header(connection, LOGIN)
	expect(connection, CONTINUE, "end of headers")
	body(connection, ENCRYPTED_BODY)
	expect(connection, CONTINUE, "body")
	end_of_message(connection)
	expect(connection, CONTINUE, "end of message")
end
