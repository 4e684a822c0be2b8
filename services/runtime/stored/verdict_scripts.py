"""The Lua scripts of the verdict store, each atomic in Redis: observed time, and what is stored under it.

Keys: those of observed time and of the sending mark, then what is stored under: host_lock_key() of the host
and verdicts_key() of a segment. The last argument is the latest observed time that the caller knows of, in
milliseconds.
"""

from services.contract.names import HOST_TTL_S

LONGEST_TICK_S = 5
"""Of a longer gap between two ticks, the rest was not observed by anybody and does not count."""
LONGEST_TICK_MS = LONGEST_TICK_S * 1000
FAR_MS = 86_400_000
"""Observed time counts no faster than Redis' own, from which it began. So it is ahead only by as much as the
clock of Redis' machine was set back; what is further ahead was never counted."""

AHEAD_MS = 5_000
"""How far a prober may be ahead of Redis' time, as after a step of its clock."""

OLD, UNKNOWN, STOOD_STILL, IMPOSSIBLE, WRONG_TYPE = -1, -2, -3, -4, -5
"""Results of CONFIRM in place of an age: the repeat is not newer than the stored verdict; the stored verdict
has another fingerprint, or it came before time stood still; no prober can have sent the repeat; the key is of
another type. PUT returns IMPOSSIBLE too, or whether it stored the verdict."""

OBSERVE = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.pcall('HMGET', KEYS[1], 'observed_ms', 'at_ms', 'resumed_ms', 'stood_still')
local known = tonumber(ARGV[#ARGV])
local wrong = ''
local function moment(name, text)
  local value = text and string.match(text, '^%d+$') and #text <= 16 and tonumber(text)
  if text and (not value or value > math.max(now, known) + {FAR_MS}) then
    wrong = wrong .. name .. '=' .. string.sub(text, 1, 40) .. ' '
    return nil
  end
  return value or nil
end
local observed, at = moment('observed_ms', last[1]), moment('at_ms', last[2])
local resumed, stood_still = moment('resumed_ms', last[3]) or 0, last[4] == '1'
if resumed > (observed or 0) then
  if observed then wrong = wrong .. 'resumed_ms=' .. last[3] .. ' ' end
  resumed = 0
end
local stored = observed
local passed = observed and at and now - at
local counts = passed and passed >= 0 and passed <= {LONGEST_TICK_MS}
  and redis.call('EXISTS', KEYS[2]) == 1
if not passed then
  observed = known > 0 and known or now
elseif counts and not stood_still then
  observed = observed + passed
end
-- A Redis that lost its data, or an older copy of it, does not move this process' time.
observed = math.max(observed, known)
"""
TICK = f"""
if counts and stood_still then
  -- Later than whatever has arrived.
  observed = observed + 1
  resumed = observed
elseif not counts and not stood_still and passed and passed > 0 then
  -- Until now its arrival was taken for so much later.
  observed = observed + math.min(passed, {LONGEST_TICK_MS})
end
stood_still = not counts
local kept = stored or 0
redis.call('HSET', KEYS[1],
  'observed_ms', string.format('%.0f', observed), 'at_ms', string.format('%.0f', now),
  'resumed_ms', string.format('%.0f', resumed), 'stood_still', stood_still and '1' or '0')
"""
TICKED = "return { observed, resumed, counts and not stood_still and 1 or 0, kept, wrong }"
READ = "return { observed, resumed, counts and not stood_still and 1 or 0 }"
ENTRY = f"""
-- The prober at work has the newest incarnation, whatever the clock says; without a prober it is no later
-- than the present time. Counters are times too. What lives longer than a lock is none.
local newest = now + {AHEAD_MS}
local left_ms = redis.call('PTTL', KEYS[3])
local holder = left_ms > 0 and left_ms <= {HOST_TTL_S * 1000} and redis.pcall('GET', KEYS[3])
local known, claim = pcall(cjson.decode, type(holder) == 'string' and holder or '')
if known and type(claim) == 'table' and type(claim.since_ms) == 'number' then
  newest = claim.since_ms
end
local function can_be(incarnation, counter)
  return incarnation <= newest and counter <= (now + {AHEAD_MS}) * 1000
end
local now_text, observed_text = string.format('%.0f', now), string.format('%.0f', observed)
local function entry(incarnation, counter, full, fingerprint, verdict)
  return '{{"incarnation":' .. incarnation .. ',"counter":' .. counter .. ',"at_ms":' .. now_text
    .. ',"observed_ms":' .. observed_text .. ',"full_ms":' .. full
    .. ',"fingerprint":"' .. fingerprint .. '","verdict":' .. verdict .. '}}'
end
local function gives_way(old, incarnation, counter)
  local of, its, at = string.match(old or '', '^{{"incarnation":(%d+),"counter":(%d+),"at_ms":(%d+),')
  if not of then
    return true
  end
  of, its, incarnation, counter = tonumber(of), tonumber(its), tonumber(incarnation), tonumber(counter)
  -- An entry that cannot be orders nothing: it is forged, or was stored before the clock was set back.
  if tonumber(at) > now + 1000 or not can_be(of, its) then
    return true
  end
  return of < incarnation or (of == incarnation and its < counter)
end
"""
PUT = f"""
if not can_be(tonumber(ARGV[2]), tonumber(ARGV[3])) then
  return {IMPOSSIBLE}
end
local value = entry(ARGV[2], ARGV[3], observed_text, ARGV[7], ARGV[5])
local function store(field)
  if not gives_way(redis.call('HGET', KEYS[4], field), ARGV[2], ARGV[3]) then
    return 0
  end
  redis.call('HSET', KEYS[4], field, value)
  return 1
end
local stored = store(ARGV[1])
if ARGV[4] == '1' then
  stored = math.max(stored, store(ARGV[1] .. '|dhcp'))
end
if stored == 1 then
  redis.call('EXPIRE', KEYS[4], ARGV[6])
end
return stored
"""

CONFIRM = f"""
local function confirm(key, counter, fingerprint, asked)
  local kept = redis.pcall('HMGET', key, ARGV[1], ARGV[1] .. '|dhcp')
  if kept.err then
    return {WRONG_TYPE}
  end
  local fields = {{}}
  if gives_way(kept[1], ARGV[2], counter) then
    fields[#fields + 1] = ARGV[1]
  end
  if asked and gives_way(kept[2], ARGV[2], counter) then
    fields[#fields + 1] = ARGV[1] .. '|dhcp'
  end
  if #fields == 0 then
    return {OLD}
  end
  local is_partly = asked and #fields == 1
  local came, full, its, verdict = string.match(kept[asked and 2 or 1] or '',
    '^{{"incarnation":%d+,"counter":%d+,"at_ms":%d+,"observed_ms":(%d+),"full_ms":(%d+),'
    .. '"fingerprint":"(%x*)","verdict":(.*)}}$')
  if its ~= fingerprint or #full > 16 then
    return {UNKNOWN}
  end
  local value = entry(ARGV[2], counter, full, fingerprint, verdict)
  for _, field in ipairs(fields) do
    redis.call('HSET', key, field, value)
  end
  redis.call('EXPIRE', key, ARGV[3])
  came = tonumber(came)
  return came < resumed and {STOOD_STILL} or math.max(0, observed - came), is_partly
end
local results, partly = {{}}, {{}}
-- The keys differ by their VLAN alone, and are made here: the client takes longer to send each than for all
-- else that a repeat takes.
for vlan, counter, fingerprint, asked in string.gmatch(ARGV[5], '(%d+),(%d+),(%x*),([01])') do
  local result, is_partly = {IMPOSSIBLE}, false
  if can_be(tonumber(ARGV[2]), tonumber(counter)) then
    result, is_partly = confirm(ARGV[4] .. vlan, counter, fingerprint, asked == '1')
  end
  if is_partly then
    partly[#partly + 1] = #results
  end
  results[#results + 1] = result
end
results[#results + 1] = string.format('%.0f', observed)
return table.concat(results, ' ') .. ' ' .. table.concat(partly, ' ')
"""
