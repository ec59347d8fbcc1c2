-- The same bytes without a login are incoming mail, and without a signature refused at the end.
dofile(support)

local connection = open()
mail(connection, PEER, nil)
expect(connection, CONTINUE, "MAIL FROM")
recipient(connection, LOGIN)
encrypted_header(connection, PEER)
expect(connection, CONTINUE, "end of headers")
body(connection, ENCRYPTED_BODY)
expect(connection, CONTINUE, "body")
end_of_message(connection)
check(mt.eom_check(connection, MT_SMTPREPLY, "554", "5.7.1", "No DKIM signature found"), "reply to an unsigned message")
mt.disconnect(connection)
