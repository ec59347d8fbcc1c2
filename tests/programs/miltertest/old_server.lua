-- A mail server that cannot hand header fields over with their white space is refused at once: with
-- it no signature could be verified.
dofile(support)

local connection = mt.connect(socket)
check(connection ~= nil, "no connection")
local result = mt.negotiate(connection, 6, 0x1ff, 0x7f)
check(result ~= nil or mt.getreply(connection) ~= string.byte("O"), "negotiated all the same")
mt.disconnect(connection, false)
