-- Cleartext is refused as soon as the header shows it; the connection goes on to the next message.
dofile(support)

local connection = open()
mail(connection, LOGIN, LOGIN)
recipient(connection, PEER)
header(connection, "From", "<" .. LOGIN .. ">")
header(connection, "Content-Type", "text/plain")
end_of_headers(connection)
expect(connection, REFUSED, "cleartext")
mt.abort(connection)
send_encrypted(connection)
mt.disconnect(connection)
