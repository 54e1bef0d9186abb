//
// Parameters against nextflow_schema.json: required by the workflow, or not of it; type, enum, pattern, bounds, existence; unknown names.
// A function of our own, so that nothing has to be downloaded before a run starts.
//

/**
 * Check the parameters and stop with one sentence per problem.
 *
 * @param given the run's parameters
 * @param schema path of nextflow_schema.json
 */
def check_parameters(given, schema) {
    def groups = read_schema(schema)
    def rules = groups.collectEntries { group -> group.properties }
    def workflow_name = given.workflow ?: rules.workflow['default']
    def required = rules.findAll { _name, rule -> workflow_name in (rule.required_by ?: []) }.keySet()

    // Nextflow adds a camel-case twin to every --kebab-case name; the name as typed is reported.
    def names = given.keySet().findAll { name -> !rules.containsKey(name) }
    def unknown = names.findAll { name -> !names.any { other -> other != name && camel_case(other) == name } }

    // An institution's configuration may set parameters for other pipelines too.
    def typed = unknown
        .collectEntries { name -> [name, [name, kebab_case(name)].find { word -> workflow.commandLine.contains("--${word}") }] }
        .findAll { _name, word -> word }
    (unknown - typed.keySet()).sort().each { name -> log.warn("The parameter ${name}, set in a file, is not one of this pipeline.") }

    def problems = typed.values().sort().collect { word -> "--${word} is not a parameter; did you mean --${nearest(word, rules.keySet())}?" }
    problems += required
        .findAll { name -> is_missing(given[name]) }
        .collect { name -> "--${name} is required: ${rules[name].description}" }
    problems += rules
        .findAll { name, rule -> rule.only_for && !(workflow_name in rule.only_for) && is_set(given[name], rule) }
        .collect { name, rule -> "--${name} does nothing in --workflow ${workflow_name}; leave it out: it belongs to ${rule.only_for.join(', ')}." }
    problems += groups
        .collectMany { group -> (group.dependentRequired ?: [:]).collectMany { name, needed -> needed.collect { other -> [name, other] } } }
        .findAll { name, other -> is_set(given[name], rules[name]) && is_missing(given[other]) }
        .collect { name, other -> "--${name} needs --${other}: ${rules[other].description}" }
    problems += rules
        .findAll { name, _rule -> !is_missing(given[name]) }
        .collectMany { name, rule -> problems_of(name, given[name], rule) }
    if (problems) {
        error("Parameters:\n" + problems.collect { problem -> "  - ${problem}" }.join('\n') + "\nSee --help.")
    }
}

/**
 * The parameters by the types of the schema: files as paths ([] where absent), folders to write into as absolute ('' where absent), numbers and flags as such.
 *
 * @param given the run's parameters, checked
 * @param schema path of nextflow_schema.json
 */
def typed_parameters(given, schema) {
    def rules = read_schema(schema).collectEntries { group -> group.properties }
    given.collectEntries { name, value -> [name, typed(value, rules[name] ?: [:])] }
}

def typed(value, rule) {
    if (rule.exists) {
        return is_missing(value) ? [] : file(value, checkIfExists: true)
    }
    if (rule.format == 'directory-path') {
        return is_missing(value) ? '' : file(value).toAbsolutePath().toString()
    }
    if (is_missing(value)) {
        return null
    }
    if (rule.type == 'integer') {
        return value as Integer
    }
    if (rule.type == 'number') {
        return value as BigDecimal
    }
    rule.type == 'boolean' ? value.toString() == 'true' : value
}

/** The parameters by group, as text. */
def help_text(schema) {
    def groups = read_schema(schema)
    def width = groups.collectMany { group -> group.properties.keySet()*.size() }.max()
    def sections = groups.collect { group ->
        def lines = group.properties.collect { name, rule ->
            def notes = [
                rule['enum'] ? "one of ${rule['enum'].join(', ')}" : '',
                rule['default'] != null && rule['default'] != '' ? "default ${rule['default']}" : '',
                rule.required_by ? "required by ${rule.required_by.join(', ')}" : '',
            ].findAll { note -> note }
            "  --${name.padRight(width)}  ${rule.description}" + (notes ? " [${notes.join('; ')}]" : '')
        }
        "${group.title}\n${lines.join('\n')}"
    }
    "\nnextflow run darkregulome --loci loci.csv --fasta genome.fa.gz --gtf genes.gtf.gz --models NAME,NAME --outdir results\n\n" +
        sections.join('\n\n') + '\n'
}

def read_schema(schema) {
    new groovy.json.JsonSlurper().parseText(file(schema).text)['$defs'].values()
}

def is_missing(value) {
    value == null || value == ''
}

/** True where a value was given that is not the default. */
def is_set(value, rule) {
    !is_missing(value) && value.toString() != rule['default'].toString()
}

def camel_case(name) {
    name.replaceAll(/-([a-zA-Z0-9])/) { match -> match[1].toUpperCase() }
}

/** A name as it may have been typed, where only its camel-case twin is left. */
def kebab_case(name) {
    name.replaceAll(/[A-Z]/) { letter -> "-${letter.toLowerCase()}" }
}

/** What is wrong with one value, as a list of sentences. */
def problems_of(name, value, rule) {
    if (value == true && rule.type != 'boolean') {
        return ["--${name} has no value; give one."]
    }
    if (!has_type(value, rule.type)) {
        return ["--${name} is '${value}', which is not of type ${rule.type}."]
    }
    if (rule['enum'] && !(value.toString() in rule['enum'])) {
        return ["--${name} is '${value}'; use one of ${rule['enum'].join(', ')}."]
    }
    if (rule.pattern && !(value.toString() ==~ rule.pattern)) {
        return ["--${name} is '${value}', which does not have the form ${rule.pattern} (${rule.description})"]
    }
    if (rule.type in ['integer', 'number']) {
        return problems_of_number(name, value.toString().toBigDecimal(), rule)
    }
    if (rule.exists && !is_remote(value) && !file(value.toString(), glob: false).exists()) {
        return ["--${name} is '${value}', which does not exist; check the path."]
    }
    []
}

def problems_of_number(name, number, rule) {
    def problems = []
    if (rule.minimum != null && number < rule.minimum) {
        problems << "--${name} is ${number}; use at least ${rule.minimum}."
    }
    if (rule.maximum != null && number > rule.maximum) {
        problems << "--${name} is ${number}; use at most ${rule.maximum}."
    }
    if (rule.exclusiveMinimum != null && number <= rule.exclusiveMinimum) {
        problems << "--${name} is ${number}; use more than ${rule.exclusiveMinimum}."
    }
    if (rule.exclusiveMaximum != null && number >= rule.exclusiveMaximum) {
        problems << "--${name} is ${number}; use less than ${rule.exclusiveMaximum}."
    }
    problems
}

def has_type(value, type) {
    def text = value.toString()
    if (type == 'integer') {
        return text ==~ /-?\d+/
    }
    if (type == 'number') {
        return text ==~ /-?\d+(\.\d*)?([eE][-+]?\d+)?/
    }
    if (type == 'boolean') {
        return text in ['true', 'false']
    }
    true
}

/** True for addresses such as s3://bucket/file, which only the executor may be able to see. */
def is_remote(value) {
    value.toString() ==~ /^[a-z][a-z0-9+.-]+:\/\/.*/ && !value.toString().startsWith('file://')
}

def nearest(name, candidates) {
    candidates.min { candidate -> edit_distance(name.toLowerCase().replace('-', '_'), candidate) }
}

/** Levenshtein distance of two words, row by row. */
def edit_distance(left, right) {
    def first = (0..right.size()).toList()
    def last = (0..<left.size()).inject(first) { above, row ->
        (0..<right.size()).inject([row + 1]) { line, column ->
            def swap = above[column] + (left[row] == right[column] ? 0 : 1)
            line + [[swap, above[column + 1] + 1, line[column] + 1].min()]
        }
    }
    last[right.size()]
}
