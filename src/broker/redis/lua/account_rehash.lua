-- Replaces a password's hash by another of the same password, unless it changed meanwhile.
-- KEYS account  ARGV the hash it is to have now, the new one
if redis.call('HGET', KEYS[1], 'hash') == ARGV[1] then
    redis.call('HSET', KEYS[1], 'hash', ARGV[2])
end
return 1
