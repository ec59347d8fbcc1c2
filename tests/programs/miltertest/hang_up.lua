-- A connection may be lost in the middle of a message.
dofile(support)

local connection = open()
mail(connection, LOGIN, LOGIN)
recipient(connection, PEER)
encrypted_header(connection, LOGIN)
body(connection, ENCRYPTED_BODY)
mt.disconnect(connection, false)

connection = open()
send_encrypted(connection)
mt.disconnect(connection)
