-- A body that is not what the header promises: refused with our reply, not with libmilter's own.
dofile(support)

local connection = open()
mail(connection, LOGIN, LOGIN)
recipient(connection, PEER)
encrypted_header(connection, LOGIN)
expect(connection, CONTINUE, "end of headers")
body(connection, "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n")
expect(connection, CONTINUE, "body")
end_of_message(connection)
check(mt.eom_check(connection, MT_SMTPREPLY, NOT_ENCRYPTED), "reply to a message without its second part")
mt.disconnect(connection)
