-- Only a login that Postfix reports with this MAIL FROM makes mail outgoing: not an empty login, not that
-- of the previous message, and not similar macros.
dofile(support)

local function incoming(connection, what)
	expect(connection, CONTINUE, "MAIL FROM")
	recipient(connection, LOGIN)
	encrypted_header(connection, LOGIN)
	body(connection, ENCRYPTED_BODY)
	end_of_message(connection)
	check(mt.eom_check(connection, MT_SMTPREPLY, "554", "5.7.1", "No DKIM signature found"), what)
end

local connection = open()
mail(connection, LOGIN, "")
incoming(connection, "an empty login")

send_encrypted(connection)
mail(connection, LOGIN, nil)
incoming(connection, "the login of the message before")

done(mt.macro(connection, SMFIC_MAIL, "{mail_addr}", LOGIN, "{auth_type}", "PLAIN",
	"{auth_author}", LOGIN, "{auth_ssf}", "256", "auth_authen", LOGIN, "{AUTH_AUTHEN}", LOGIN), "macro")
done(mt.mailfrom(connection, "<" .. LOGIN .. ">", "AUTH=" .. LOGIN), "MAIL FROM")
incoming(connection, "macros and parameters that resemble a login")
mt.disconnect(connection)
