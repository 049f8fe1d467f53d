-- What a careful nginx does by itself: SHA-256 of the credential, a dictionary, a scope, a limit of its own.
local ffi = require("ffi")
ffi.cdef("unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);")
local digest = ffi.new("unsigned char[32]")
local guard = { body = "" }

local function sha256(text)
  ffi.C.SHA256(text, #text, digest)
  return ffi.string(digest, 32)
end

function guard.read(folder)
  for line in io.lines(folder .. "/keys") do
    assert(ngx.shared.keys:set(sha256(line), " notes:read "))
  end
  -- Verified before; what is left is what every call has to check.
  for line in io.lines(folder .. "/jwts") do
    assert(ngx.shared.tokens:set(sha256(line), tostring(os.time() + 3600) .. " notes:read "))
  end
  guard.body = io.open(folder .. "/body"):read("*a")
end

local function refuse(status, code)
  ngx.status = status
  ngx.header["WWW-Authenticate"] = 'Bearer error="' .. code .. '"'
  return ngx.exit(status)
end

function guard.answer()
  local header = ngx.var.http_authorization
  if not header or header:sub(1, 7) ~= "Bearer " then return refuse(401, "invalid_request") end
  local token = header:sub(8)
  local id = sha256(token)
  local scopes
  if token:find(".", 1, true) then
    local known = ngx.shared.tokens:get(id)
    if not known then return refuse(401, "invalid_token") end
    local space = known:find(" ", 1, true)
    if tonumber(known:sub(1, space - 1)) <= ngx.time() then return refuse(401, "invalid_token") end
    scopes = known:sub(space)
  else
    scopes = ngx.shared.keys:get(id)
    if not scopes then return refuse(401, "invalid_token") end
  end
  if not scopes:find(" notes:read ", 1, true) then return refuse(403, "insufficient_scope") end
  local used = ngx.shared.limits:incr(id, 1, 0, 60)
  if used > 1e9 then return refuse(429, "limit_exceeded") end
  ngx.header["RateLimit"] = '"credential";r=' .. (1e9 - used) .. ";t=60"
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #guard.body
  ngx.print(guard.body)
end

return guard
