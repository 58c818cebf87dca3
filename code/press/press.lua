-- Quarto's labels, references, theorems and cells, for Typst, for HTML and
-- for the Markdown that Jupyter shows.
--
-- On the page Typst numbers and refers; the other two are given what it found
-- (numbers.json: name, number and page of each label). Quarto has filters
-- of its own for all that: under Quarto only what they leave out is done.

local TYPST = FORMAT:match 'typst' ~= nil
local HTML = FORMAT:match 'html' ~= nil
local JUPYTER = FORMAT:match 'gfm' ~= nil
local NAMES = {
  fig = 'Figure', tbl = 'Table', eq = 'Equation', sec = 'Section',
  thm = 'Theorem', lem = 'Lemma', cor = 'Corollary', prp = 'Proposition',
}
local THEOREMS = { thm = true, lem = true, cor = true, prp = true }
local LINE, SMALLEST = 98, 0.7 -- letters in a table's line; its least scale

local stringify = pandoc.utils.stringify
local Str, Space = pandoc.Str, pandoc.Space
local labels = {} -- the words of every identifier of the document
local numbers = {} -- of each: name, number, page; empty for Typst
local cells, bibliography = {}, false -- chunks seen; whether there is one

-- a fault for press to report: the words that are wrong, and the sentence
local function fault(words, message)
  words = words:gsub('%s+', ' ')
  io.stderr:write('PRESS\t', words, '\t', message, '\n')
  os.exit(1)
end

local function prefix(id)
  local head = id:match '^(%a+)%-'
  return head and NAMES[head:lower()] and head:lower()
end

local function typst(text) return pandoc.RawInline('typst', text) end
local function typst_block(text) return pandoc.RawBlock('typst', text) end

local function quoted(text)
  text = text:gsub('[\\"]', '\\%0'):gsub('%s+', ' ')
  return '"' .. text .. '"'
end

local function between(open, inlines, close)
  return pandoc.Inlines { typst(open) } .. inlines .. { typst(close) }
end

-- the opening of a call: #press-name(a, b)[
local function opening(name, ...)
  return '#press-' .. name .. '(' .. table.concat({ ... }, ', ') .. ')['
end

-- blocks with words before the first of them and after the last
local function enclosed(head, blocks, tail)
  if #head == 0 then
  elseif #blocks > 0 and blocks[1].t == 'Para' then
    blocks[1].content = head .. blocks[1].content
  else
    blocks:insert(1, pandoc.Para(head))
  end
  local last = blocks[#blocks]
  if last.t == 'Para' then
    last.content = last.content .. tail
  elseif last.t == 'Div' and last.classes[1] == 'cell' and #last.content > 1 then
    last.content = enclosed({}, last.content, tail)
  else
    blocks:insert(pandoc.Para(tail))
  end
  return blocks
end

local function target(id, words)
  if not labels[id] then
    fault(words or id, 'nothing has the label `' .. id .. '`')
  end
  return numbers[id] or { name = '', number = '', page = 0 }
end

-- "Figure 2.3", with a space that does not break, or a heading's own words
local function title(id)
  local found = target(id)
  if found.number == '' then return labels[id] end
  return found.name .. '\u{a0}' .. found.number
end

---- mathematics

-- Pandoc turns `\!` and `\;` into wide or missing spaces, `\Bigl(` into a
-- stretched letter, and a named operator into a text
local function mended(tex)
  return (tex:gsub('\\!', ''):gsub('\\;', '\\:'):gsub('\n%s*\n', '\n')
    :gsub('\\[bB]igg?l%f[%A]', '\\left'):gsub('\\[bB]igg?r%f[%A]', '\\right'))
end

-- a formula's texts as operators, those of `\operatorname*` with limits
local function operators(tex, body)
  local starred = {}
  local function bare(name) -- without spaces, of which Pandoc takes others
    return (name:gsub('\\[,:; ]', ''):gsub('["%s~\128-\255]', ''))
  end
  for name in tex:gmatch '\\operatorname%*%s*{([^{}]*)}' do
    starred[bare(name)] = true
  end
  return (body:gsub('([%a]*[:(]? ?)("[^"]*")', function(before, name)
    -- but not a text that is an argument
    if before:match '%a%($' or before:match ': $' then return end
    local limits = starred[bare(name)] and ', limits: #true' or ''
    return before .. 'op(' .. name .. limits .. ')'
  end))
end

local typeset = {} -- each formula once
local function converted(tex)
  if typeset[tex] then return typeset[tex] end
  local shown = pandoc.Plain { pandoc.Math('DisplayMath', mended(tex)) }
  local out = pandoc.write(pandoc.Pandoc { shown }, 'typst', { wrap_text = 'none' })
  typeset[tex] = operators(tex, out:match '^%s*%$%s*(.-)%s*%$%s*$' or '')
  return typeset[tex]
end

-- what Pandoc leaves out or takes for something else inside a formula
local TRAPS = {
  '\\[bB]igg?m?%f[%A]', '\\label', '\\tag', '\\intertext', '\\ref%f[%A]',
  '\\eqref', '\\begin{align%*?}', '\\begin{gather%*?}', '\\begin{split}',
  '\\begin{equation%*?}',
}

-- for Typst, which is always first, a call with the TeX as the alt text, and
-- the label if it has one
local function formula(math, id)
  for _, trap in ipairs(TRAPS) do
    local found = math.text:match(trap)
    if found then fault(found, '`' .. found .. '` cannot stand inside math') end
  end
  if not math.text:match '%S' then
    fault('$$' .. math.text .. '$$', 'this formula is empty')
  end
  local alt, body = quoted(math.text), converted(math.text)
  if math.mathtype == 'InlineMath' then
    return typst(opening('math', alt) .. '$' .. body .. '$]')
  end
  local label = id and quoted(id) or 'none'
  return typst(opening('display', alt, label) .. '$ ' .. body .. ' $]')
end

-- `$$ .. $$ {#eq-x}` as one Span, its number beside it or inside it
local function equations(inlines)
  local out = pandoc.Inlines {}
  for _, x in ipairs(inlines) do
    local text = x.t == 'Str' and x.text or ''
    local id, rest = text:match '^{#(eq%-[%w_-]+)}(.*)$'
    if id then
      local math = out:remove()
      if math and math.t == 'Space' then math = out:remove() end
      if not math or math.mathtype ~= 'DisplayMath' then
        fault(id, 'the label `' .. id .. '` must follow its equation')
      end
      out:insert(pandoc.Span({ math }, pandoc.Attr(id, { 'equation' })))
      if rest ~= '' then out:insert(Str(rest)) end
    else
      out:insert(x)
    end
  end
  return out
end

local function equation(span)
  if not span.classes:includes 'equation' then return end
  local math, number = span.content[1], target(span.identifier).number
  if TYPST then
    return formula(math, span.identifier)
  elseif HTML then
    span.content:insert(pandoc.Span({ Str('(' .. number .. ')') }, { class = 'number' }))
    return span
  end
  math.text = math.text:gsub('%s+$', '') .. ' \\tag{' .. number .. '}'
  return math
end

---- references

local function reference(id, bare)
  local words = '@' .. id
  id = id:sub(1, 1):lower() .. id:sub(2)
  local number = target(id, words).number
  if TYPST then
    return typst('#press-' .. (bare and 'bare' or 'ref') .. '("' .. id .. '")')
  end
  local text = bare and number ~= '' and number or title(id)
  return HTML and pandoc.Link(text, '#' .. id, '', { class = 'ref' }) or Str(text)
end

local function cite(x)
  local first, out = x.citations[1], pandoc.Inlines {}
  if not prefix(first.id) then
    if bibliography then return end
    fault('@' .. first.id, 'cites @' .. first.id ..
      ', but the document names no `bibliography`')
  end
  for i, c in ipairs(x.citations) do
    if not prefix(c.id) or #c.prefix + #c.suffix > 0 then
      fault(first.id, 'a reference takes no prefix, suffix or citation')
    end
    if i > 1 then out:extend { Str(i < #x.citations and ',' or ' and'), Space() } end
    out:insert(reference(c.id, first.mode == 'SuppressAuthor'))
  end
  return out
end

local function link(x)
  local id = x.target:match '^#(.*)$'
  if not id then return end
  target(id, x.target)
  if JUPYTER then return x.content end
end

-- what is not Markdown: two commands of LaTeX, and HTML for the screen alone
local function raw(x)
  local text = x.text:match '^%s*(.-)%s*$'
  local id = text:match '^\\pageref{([%w_-]+)}$'
  if id then
    local page = string.format('%d', target(id, text).page)
    if TYPST then return typst('#press-page-of("' .. id .. '")') end
    return HTML and pandoc.Link(page, '#' .. id) or Str(page)
  elseif text == '\\appendix' then
    if x.t == 'RawInline' then
      fault(text, '`\\appendix` is a paragraph of its own')
    end
    return TYPST and typst_block '#show: press-appendix' or {}
  elseif text == '<br>' then -- a line's end in an inline expression's text
    return pandoc.LineBreak()
  elseif x.format ~= 'html' then
    fault(text, 'raw ' .. x.format .. ' `' .. text .. '` is not portable')
  elseif text:match '^<!%-%-' or x.t == 'RawBlock' and not HTML then
    return {}
  elseif x.t == 'RawInline' then
    fault(text, 'raw html `' .. text .. '` is not portable')
  end
end

local function check_text(x)
  if x.text:match '{{<' or x.text:match '{python}' then
    fault(x.text, '`' .. x.text .. '` cannot stand in this place')
  elseif x.text:match '%[%^' then
    fault(x.text, 'this footnote is not defined')
  end
end

local function image(x)
  if not x.classes:includes 'press' then
    fault(x.src, 'an image is drawn by a chunk, which gives it a caption')
  end
end

local function note(x)
  if not JUPYTER then return end
  local inside = pandoc.utils.blocks_to_inlines(x.content, { Space() })
  return pandoc.Inlines { Str ' (' } .. inside .. { Str ')' }
end

---- blocks

local function header(x)
  for _, class in ipairs(x.classes) do
    if class ~= 'unnumbered' then
      fault(class, 'unknown heading class `' .. class .. '`')
    end
  end
  local found = numbers[x.identifier]
  if found and found.number ~= '' then
    local head = found.number
    if x.level == 1 then head = found.name .. ' ' .. head end
    if JUPYTER and x.level == 1 then head = head .. ':' end
    local shown = HTML and pandoc.Span(head, { class = 'number' }) or Str(head)
    x.content = pandoc.Inlines { shown, Space() } .. x.content
  end
  if JUPYTER then x.attr = pandoc.Attr() end
  return x
end

local function theorem(x)
  local id, name = x.identifier, pandoc.Inlines(x.attributes.name or {})
  if x.content[1] and x.content[1].t == 'Header' then
    name = x.content:remove(1).content
  end
  if TYPST then
    local kind = prefix(id)
    local call = opening('theorem', quoted(kind), quoted(NAMES[kind]), quoted(id))
    return enclosed(between(call, name, ']['), x.content, { typst ']' })
  end
  local head = pandoc.Inlines { pandoc.Strong(title(id)), Space() }
  if #name > 0 then head = head .. { Str '(' } .. name .. { Str ') ' } end
  x.content:insert(1, pandoc.Para(head))
  if JUPYTER then return x.content end
  return pandoc.Div(x.content, { id = id, class = 'theorem' })
end

local function proof(x)
  if x.classes[1] ~= 'proof' then return end
  local head = pandoc.Inlines { pandoc.Emph 'Proof.', Space() }
  local tail = TYPST and typst '#press-end'
    or HTML and pandoc.Span('\u{25a1}', { class = 'qed' }) or Str '\u{a0}\u{25a1}'
  local blocks = enclosed(head, x.content, { tail })
  return HTML and pandoc.Div(blocks, { class = 'proof' }) or blocks
end

-- the last paragraph of a figure's or a table's Div is its caption
local function caption(x)
  local words = (x.content:remove() or {}).content
  if TYPST then return words end
  local head = pandoc.Strong(title(x.identifier) .. '.')
  return pandoc.Inlines { head, Space() } .. words
end

local function figure(x)
  local words = caption(x)
  local image = ((x.content[1] or {}).content or {})[1] or {}
  local alt = image.t == 'Image' and image.attributes['fig-alt']
  if not (alt and words) then
    fault('#' .. x.identifier, 'a figure is drawn by a chunk')
  end
  image.classes = {}
  if TYPST then
    local call = opening('figure', quoted(x.identifier), quoted(image.src),
      image.attributes.width, quoted(alt))
    return pandoc.Para(between(call, words, ']'))
  elseif HTML then
    image.caption, image.attributes['fig-alt'] = pandoc.Inlines(Str(alt)), nil
    local content = { pandoc.Plain { image } }
    local long = { pandoc.Plain(words) }
    return pandoc.Figure(content, { long = long }, { id = x.identifier })
  end
  return pandoc.Para(words)
end

-- how many letters a cell takes in a line, and its longest word
local function letters(cell)
  local text, code, longest = stringify(cell.contents:walk {
    RawInline = function() return Str '0.00' end -- a reference
  }), 0, 0
  cell.contents:walk { Code = function(c) code = code + #c.text end }
  for word in text:gmatch '%S+' do
    longest = math.max(longest, utf8.len(word) or #word)
  end
  local wide = 1 + 0.3 * math.min(1, code / math.max(1, #text))
  return (utf8.len(text) or #text) * wide, longest * wide
end

-- columns that hold their longest words, where a line does not hold the
-- table; how much smaller its letters are, and about how many lines it takes
local function fitted(x)
  local natural, least, all, words = {}, {}, 0, 0
  local rows = pandoc.List(x.head.rows):clone()
  for _, body in ipairs(x.bodies) do rows:extend(body.body) end
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row.cells) do
      local whole, word = letters(cell)
      natural[i] = math.max(natural[i] or 0, whole + 3)
      least[i] = math.max(least[i] or 0, word + 3)
    end
  end
  for i in ipairs(natural) do
    all, words = all + natural[i], words + least[i]
  end
  local scale = math.min(1, LINE / words)
  if scale < SMALLEST then
    fault(stringify(rows[1].cells[#natural].contents), 'a table of ' ..
      #natural .. ' columns is wider than the page; give it fewer or shorter')
  end
  if all > LINE then
    local line = LINE / scale
    local share = math.max(0, line - words) / math.max(1, all - words)
    for i, spec in ipairs(x.colspecs) do
      local width = least[i] + (natural[i] - least[i]) * share
      x.colspecs[i] = { spec[1], width / line }
    end
  end
  return scale, #rows * math.max(1, all / LINE)
end

local function plain_table(x)
  local scale = fitted(x)
  if HTML then return pandoc.Div({ x }, { class = 'table' }) end
  if not TYPST or scale == 1 then return x end
  return { typst_block(opening('scaled', scale)), x, typst_block ']' }
end

local function captioned_table(x)
  local words, id, inside = caption(x), x.identifier, nil
  x.content:walk { Table = function(t) inside = t end }
  if not (inside and words) then
    fault('#' .. id, '`' .. id .. '` must print one table')
  end
  if TYPST then
    local _, lines = fitted(inside)
    local call = opening('table', quoted(id), tostring(lines > 42))
    x.content:insert(1, pandoc.Para(between(call, words, '][')))
    x.content:insert(typst_block ']')
    return x.content
  elseif HTML then
    inside.caption = { long = { pandoc.Plain(words) } }
    return pandoc.Div({ inside }, { id = id, class = 'table' })
  end
  return pandoc.Blocks { pandoc.Para(words) } .. x.content
end

-- a chunk: its code, then what it shows
local function cell(x)
  local a = x.attributes
  if not a.file then
    fault(stringify(x), 'the class `cell` is that of chunks')
  end
  cells[tonumber(a.n)] = true
  local code = x.content:remove(1)
  if JUPYTER then
    local function mark(kind)
      return pandoc.RawBlock('gfm', '<!--press-' .. kind .. ' ' .. a.n .. '-->')
    end
    if a.shows == 'output' then -- by the cell itself
      return { mark 'cell' }
    elseif a.shows == 'figure' then
      return { mark 'cell', x.content[#x.content] }
    end
    return pandoc.Blocks { mark 'cell', mark 'output' } .. x.content
      .. { mark 'text' }
  elseif TYPST and (a.code == 'shown' or a.code == 'folded') then
    x.content:insert(1, code)
  elseif HTML and a.code ~= 'none' then
    local from = pandoc.Link(a.file .. ', ' .. a.lines, a.file)
    local listing = pandoc.Blocks { code, pandoc.Div(
      { pandoc.Plain { from } }, { class = 'from' }) }
    if a.code ~= 'shown' then
      listing:insert(1, pandoc.RawBlock('html',
        '<details class="code"><summary>Code</summary>'))
      listing:insert(pandoc.RawBlock('html', '</details>'))
    end
    return listing .. x.content
  end
  return x.content
end

local function div(x)
  local kind, class = prefix(x.identifier), x.classes[1]
  if x.identifier == 'refs' then return end
  if class == 'cell' then return cell(x) end
  if class == 'proof' then return proof(x) end
  if kind == 'fig' then return figure(x) end
  if kind == 'tbl' then return captioned_table(x) end
  if THEOREMS[kind] then return theorem(x) end
  local name = class and '.' .. class or kind and '#' .. x.identifier
  fault(class or name or stringify(x),
    'press does not know a div ' .. (name and '`' .. name .. '`' or 'without a class'))
end

---- what stays together on the page

local function announces(para) -- a short one does
  return #stringify(para.content) < 300
end

local function before(inlines)
  return pandoc.Para(between('#press-before[', inlines, ']'))
end

local function display(x)
  return x.t == 'RawInline' and x.text:match '^#press%-display' ~= nil
end

-- a paragraph cut at its formulas: each keeps the words that announce it
local function pieces(para)
  local out, words = pandoc.Blocks {}, pandoc.Inlines {}
  for _, x in ipairs(para.content) do
    if display(x) then
      if #words > 0 then
        local piece = pandoc.Para(words)
        out:insert(announces(piece) and before(words) or piece)
      end
      out:insert(pandoc.Para { x })
      words = pandoc.Inlines {}
    elseif #words > 0 or not x.t:match 'Space$' and x.t ~= 'SoftBreak' then
      words:insert(x)
    end
  end
  if #words > 0 then out:insert(pandoc.Para(words)) end
  return out
end

-- what needs the block above it: a theorem, or the last words of a proof
local function leans(x)
  local first = x.t == 'Div' and x.content[2] or {} -- below a chunk's code
  local last = x.t == 'Para' and x.content[#x.content] or {}
  return first.t == 'Div' and THEOREMS[prefix(first.identifier)]
    or last.text == '#press-end' and announces(x)
end

local function kept(list)
  local out = pandoc.Blocks {}
  for i, block in ipairs(list) do
    local next = list[i + 1] or {}
    local shown = next.t == 'Para' and display(next.content[1])
      or next.t == 'CodeBlock' and next.classes[1] ~= 'text'
      or next.t == 'Div' and next.classes[1] == 'cell'
        and (next.attributes.code == 'shown' or next.attributes.code == 'folded')
    local parts = block.t == 'Para' and pieces(block) or { block }
    local last = parts[#parts]
    if #parts == 1 and last.t == 'Para' and (shown and announces(last)
      or leans(next) and (announces(last) or display(last.content[1]))) then
      parts = { before(last.content) }
    end
    out:extend(parts)
  end
  return out
end

---- the document

local function collect(x)
  local id = x.identifier
  if labels[id] and prefix(id) then
    fault(id, 'the label `' .. id .. '` is used twice')
  end
  if id ~= '' then labels[id] = x.t == 'Header' and stringify(x.content) or id end
end

-- a table's label and caption as those of a Div, like a chunk's
local function labelled(x)
  local words = pandoc.utils.blocks_to_inlines(x.caption.long)
  local id = x.identifier
  if id == '' and #words == 0 then return end
  if prefix(id) ~= 'tbl' or #words == 0 then
    fault(id ~= '' and id or stringify(words):sub(1, 20),
      'a table has both a caption and a label {#tbl-...}, or none')
  end
  x.caption, x.attr = { long = {} }, pandoc.Attr()
  return pandoc.Div({ x, pandoc.Para(words) }, { id = id })
end

local function each(meta) -- a list of values, of one or of none
  return pandoc.utils.type(meta) == 'List' and meta or pandoc.List { meta }
end

local function strings(meta) -- as Typst's array
  local out = each(meta):map(function(x) return quoted(stringify(x)) .. ', ' end)
  return '(' .. table.concat(out) .. ')'
end

local function inlines(meta, separator)
  local out = pandoc.Inlines {}
  for i, value in ipairs(each(meta)) do
    if i > 1 then out:extend { Str(separator), Space() } end
    out:extend(pandoc.utils.type(value) == 'Blocks'
      and pandoc.utils.blocks_to_inlines(value) or pandoc.Inlines(value))
  end
  return out
end

-- what the first page says beside the title: pairs of a head and its words
local function facts(meta)
  local out = {}
  for _, key in ipairs { 'kerberos', 'collaborators', 'sources' } do
    local head = key:sub(1, 1):upper() .. key:sub(2)
    if meta[key] then table.insert(out, { head, inlines(meta[key], ';') }) end
  end
  return out
end

local function front(meta)
  local document = string.format(
    '#set document(title: %s, author: %s, keywords: %s)\n#set text(lang: %s)',
    quoted(stringify(meta.title or 'Report')), strings(meta.author),
    strings(meta['press-keywords']), quoted(stringify(meta.lang or 'en')))
  local title = pandoc.Inlines { typst '#press-title' }
  for _, key in ipairs { 'title', 'subtitle', 'author', 'date' } do
    title = title .. between('[', inlines(meta[key], ','):walk { Math = formula }, ']')
  end
  local fields = pandoc.Inlines { typst '#press-fields()' }
  for _, fact in ipairs(facts(meta)) do
    fields = fields .. between('[' .. fact[1] .. '][', fact[2], ']')
  end
  return pandoc.Blocks { typst_block(document), pandoc.Para(title), pandoc.Para(fields) }
end

-- the notebook's first lines
local function heading(meta)
  local out = pandoc.Blocks {}
  if meta.title then out:insert(pandoc.Header(1, inlines(meta.title))) end
  for _, key in ipairs { 'subtitle', 'author', 'date' } do
    if meta[key] then out:insert(pandoc.Para(inlines(meta[key], ','))) end
  end
  return out
end

local function whole(doc)
  local file = not TYPST and io.open 'numbers.json'
  local rows = file and pandoc.json.decode(file:read 'a', false) or {}
  for _, row in ipairs(rows) do numbers[row.id] = row end
  bibliography = #each(doc.meta.bibliography) > 0
  doc = doc:walk { Inlines = equations, Table = labelled }
  doc:walk { traverse = 'topdown', Header = collect, Div = collect, Span = collect }
  doc.blocks = doc.blocks:walk {
    Image = image, Note = note, RawBlock = raw, RawInline = raw, Str = check_text,
    Span = equation,
  }
  doc.blocks = doc.blocks:walk { Cite = cite, Link = link, Math = TYPST and formula or nil }
  if TYPST then
    doc.blocks = doc.blocks:walk { Div = proof }
    doc.blocks = doc.blocks:walk {
      traverse = 'topdown',
      Blocks = kept,
      Div = function(x)
        if x.identifier ~= '' and x.classes[1] ~= 'cell' then return x, false end
      end,
    }
  end
  doc.blocks = doc.blocks:walk { Div = div, Header = header, Table = plain_table }
  for n = 0, tonumber(stringify(doc.meta['press-cells'])) - 1 do
    if not cells[n] then
      fault('{.cell n="' .. n .. '"', 'a comment or a list hides this chunk')
    end
  end
  if TYPST then
    local _, first = doc.blocks:find_if(function(x) return x.t == 'Header' end)
    doc.blocks:insert(first or #doc.blocks + 1, typst_block '#press-contents')
    doc.blocks:insert(typst_block '#press-numbers()')
    doc.blocks = front(doc.meta) .. doc.blocks
  elseif JUPYTER then
    doc.blocks = heading(doc.meta) .. doc.blocks
  end
  return doc
end

-- Quarto: pages, appendices, the fields of the first page, narrow tables
local function for_quarto(doc)
  local fields = pandoc.Inlines {}
  for i, fact in ipairs(facts(doc.meta)) do
    if i > 1 then fields:insert(pandoc.LineBreak()) end
    fields = fields .. { pandoc.Strong(fact[1]), Space() } .. fact[2]
  end
  doc = doc:walk {
    RawInline = function(x)
      local id = x.text:match '^\\pageref{([%w_-]+)}$'
      if id and TYPST then
        return typst('#press-page-of("' .. id .. '")')
      elseif id and HTML then -- no pages: the number, which Quarto fills in
        return pandoc.Cite({}, { pandoc.Citation(id, 'SuppressAuthor') })
      end
    end,
    RawBlock = function(x)
      if TYPST and x.text:match '^\\appendix%s*$' then
        return typst_block '#show: press-appendix'
      end
    end,
    Math = function(x)
      if TYPST then x.text = x.text:gsub('\\!', '') end
      return x
    end,
    Table = function(x)
      if not HTML then fitted(x) end
      return x
    end,
  }
  if #fields > 0 then doc.blocks:insert(1, pandoc.Para(fields)) end
  if TYPST then
    doc.blocks:insert(1, typst_block(
      '#set heading(numbering: press-head(false))\n' ..
      '#set figure(numbering: press-in-chapter)'))
  end
  return doc
end

return { { Pandoc = quarto and for_quarto or whole } }
