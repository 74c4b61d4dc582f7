#!lua flags=no-writes
-- The time of Redis in milliseconds: expiry is by one clock, never by an instance's own.
local now = redis.call('TIME')
return now[1] * 1000 + math.floor(now[2] / 1000)
