//
// Every model of a run with its checkpoint folder: those that a hub keeps are fetched first, each in a task of its own.
//

include { FETCH_WEIGHTS } from '../../../modules/local/fetch_weights'

workflow MODELS {
    take:
    models // list of maps: name, weights (a folder, or []), hub (true where a hub keeps the weights)
    settings // map: registry (file), weights_cache (folder that keeps downloads between runs, or '' for that of the hub's client)

    main:
    FETCH_WEIGHTS(channel.fromList(models.findAll { model -> model.hub }.collect { model -> model.name }), settings.registry, settings.weights_cache)

    checkpoints = channel
        .fromList(models.findAll { model -> !model.hub }.collect { model -> [model.name, model.weights] })
        .mix(FETCH_WEIGHTS.out.weights)

    emit:
    checkpoints // [name, folder], one model at a time; [] where there is none
}

/**
 * The models of a run with their checkpoint folders.
 *
 * @param settings map: models (names, comma-separated), registry (file), weights (name=folder, comma-separated, or null; these
 *     come before the shipped ones)
 * @param shipped folder that holds the checkpoints shipped with the pipeline
 * @return list of maps: name, weights (a folder, or []), hub (true where the registry pins a commit that a hub keeps)
 */
def models_of(settings, shipped) {
    def entries = new org.yaml.snakeyaml.Yaml().load(settings.registry.text)
    def listed = entries.models ?: entries
    def own_folders = (settings.weights ?: '').tokenize(',').collectEntries { pair -> pair.split('=', 2).toList() }
    def wanted = settings.models.tokenize(',').unique()

    def unused = own_folders.keySet() - wanted
    if (unused) {
        error("--weights names ${unused.join(', ')}, which --models does not; add it there, or leave it out.")
    }
    wanted.collect { name ->
        def entry = listed[name] ?: [:]
        def folder = "${shipped}/${entry.weights}"
        if (own_folders[name]) {
            [name: name, weights: file(own_folders[name], checkIfExists: true), hub: false]
        }
        else if (entry.weights && file(folder).exists()) {
            [name: name, weights: file(folder), hub: false]
        }
        else {
            [name: name, weights: [], hub: !entry.weights && entry.repo && entry.revision ? true : false]
        }
    }
}
