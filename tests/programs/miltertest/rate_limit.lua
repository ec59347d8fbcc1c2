-- Too many messages of one sender are refused, with a 4xx; others are not concerned. What ends before
-- its first recipient is not counted: the mail server has not yet compared the sender with the login.
dofile(support)

local connection = open()
local carol = "carol@relay.test"

local function begin()
	mail(connection, carol, carol)
	expect(connection, CONTINUE, "MAIL FROM")
end

for _ = 1, 100 do
	begin()
	mt.abort(connection)
end
local sent = 0
while true do
	begin()
	done(mt.rcptto(connection, "<" .. PEER .. ">"), "RCPT TO")
	if mt.getreply(connection) ~= CONTINUE then
		break
	end
	sent = sent + 1
	check(sent < 100, "there is no limit")
	mt.abort(connection)
end
check(sent >= 3, "refused before the burst is over")
mt.abort(connection)
send_encrypted(connection)
mt.disconnect(connection)
