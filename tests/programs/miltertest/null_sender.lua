-- The null sender is a bounce: taken at MAIL FROM, judged by its signature like other mail; from a
-- user it is no address to send from.
dofile(support)

local connection = open()
mail(connection, "", nil)
expect(connection, CONTINUE, "MAIL FROM:<>")
recipient(connection, LOGIN)
header(connection, "From", "<mailer-daemon@peer.test>")
header(connection, "Auto-Submitted", "auto-replied")
header(connection, "MIME-Version", "1.0")
header(connection, "Content-Type", 'multipart/report; report-type=delivery-status; boundary="b"')
end_of_headers(connection)
expect(connection, CONTINUE, "end of headers")
body(connection, "--b\r\n\r\nsorry\r\n"
	.. "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; peer.test\r\n\r\n"
	.. "Final-Recipient: rfc822; x@peer.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
	.. "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <1@localhost>\r\n\r\n--b--\r\n")
end_of_message(connection)
check(mt.eom_check(connection, MT_SMTPREPLY, "554", "5.7.1", "No DKIM signature found"), "an unsigned bounce")

mail(connection, "", LOGIN)
expect(connection, REFUSED, "MAIL FROM:<> by a user")
mt.disconnect(connection)
