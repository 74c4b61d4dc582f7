#!lua flags=no-writes
-- Gives the rooms that have users, in no order.
-- KEYS  occupied
-- ARGV  '1' if expired users count
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. (ARGV[1] == '1' and 0 or now), '+inf')
