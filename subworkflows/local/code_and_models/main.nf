//
// What a run is made of besides its data: the models with their checkpoints, and the state of the code.
//

/**
 * The models of a run with their checkpoint folders.
 *
 * @param names model names, comma-separated
 * @param weights name=folder, comma-separated, or null; these come before the shipped ones
 * @param registry path of models.yml
 * @param shipped folder that holds the checkpoints shipped with the pipeline
 * @return list of maps: name, weights (a folder, or []), hub (true where the registry pins a commit that a hub keeps)
 */
def models_of(names, weights, registry, shipped) {
    def entries = new org.yaml.snakeyaml.Yaml().load(file(registry).text)
    def listed = entries.models ?: entries
    def given = (weights ?: '').tokenize(',').collectEntries { pair -> pair.split('=', 2).toList() }
    def wanted = names.tokenize(',').unique()

    def unused = given.keySet() - wanted
    if (unused) {
        error("--weights names ${unused.join(', ')}, which --models does not; add it there, or leave it out.")
    }
    wanted.collect { name ->
        def entry = listed[name] ?: [:]
        def folder = "${shipped}/${entry.weights}"
        if (given[name]) {
            [name: name, weights: file(given[name], checkIfExists: true), hub: false]
        }
        else if (entry.weights && file(folder).exists()) {
            [name: name, weights: file(folder), hub: false]
        }
        else {
            [name: name, weights: [], hub: !entry.weights && entry.repo && entry.revision ? true : false]
        }
    }
}

/** The cards of the models that have one. */
def model_cards(models) {
    models
        .findAll { model -> model.weights != [] }
        .collect { model -> model.weights.resolve('model_card.json') }
        .findAll { card -> card.exists() }
}

/**
 * SHA-256 over the Python and C++ files below `folder`, names and contents.
 *
 * Nextflow hashes the script a task names, but not the package that the script imports: each process takes this value
 * as an input, so that -resume runs again what a change of the package has made stale.
 */
def code_hash(folder) {
    def digest = java.security.MessageDigest.getInstance('SHA-256')
    def root = file(folder)
    files("${folder}/**.{py,cpp}")
        .collectEntries { path -> [root.relativize(path).toString(), path] }
        .sort()
        .each { name, path ->
            digest.update(name.bytes)
            digest.update(path.bytes)
        }
    digest.digest().encodeHex().toString()
}
