-- Ends a login session.
-- KEYS login  ARGV token's hash, prefix of the logins of an account
local folded = redis.call('HGET', KEYS[1], 'folded')
if folded then
    redis.call('ZREM', ARGV[2] .. folded, ARGV[1])
    redis.call('DEL', KEYS[1])
end
return 1
