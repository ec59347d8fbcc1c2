-- Too many messages of one sender are refused at MAIL FROM, with a 4xx; others are not concerned.
dofile(support)

local connection = open()
local sent = 0
while true do
	mail(connection, "carol@relay.test", "carol@relay.test")
	if mt.getreply(connection) ~= CONTINUE then
		break
	end
	sent = sent + 1
	check(sent < 100, "there is no limit")
	mt.abort(connection)
end
check(sent >= 3, "refused before the burst is over")
expect(connection, REFUSED, "the message that is too much")
send_encrypted(connection)
mt.disconnect(connection)
