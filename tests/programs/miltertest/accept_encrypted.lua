-- An encrypted message of a user passes at every stage, its body in one piece or in many.
dofile(support)

local connection = open()
send_encrypted(connection)

mail(connection, LOGIN, LOGIN)
recipient(connection, PEER)
encrypted_header(connection, LOGIN)
for start = 1, #ENCRYPTED_BODY, 7 do
	body(connection, string.sub(ENCRYPTED_BODY, start, start + 6))
	expect(connection, CONTINUE, "a piece of the body")
end
end_of_message(connection)
expect(connection, CONTINUE, "end of message")
mt.disconnect(connection)
