-- A message may end after any stage; the next one knows nothing of it.
dofile(support)

local connection = open()
for stage = 1, 5 do
	mail(connection, LOGIN, LOGIN)
	expect(connection, CONTINUE, "MAIL FROM")
	if stage > 1 then
		recipient(connection, PEER)
	end
	if stage == 3 then
		header(connection, "From", "<somebody@else.test>")
	end
	if stage > 3 then
		encrypted_header(connection, LOGIN)
		expect(connection, CONTINUE, "end of headers")
	end
	if stage > 4 then
		body(connection, "--b\r\nsomething else")
	end
	mt.abort(connection)
end
send_encrypted(connection)
mt.abort(connection)
mt.abort(connection)
send_encrypted(connection)
mt.disconnect(connection)
