//
// Every model of a run with its checkpoint folder: those that a hub keeps are fetched first, each in a task of its own.
//

include { FETCH_WEIGHTS } from '../../../modules/local/fetch_weights'

workflow FETCH_MODELS {
    take:
    models // list of maps: name, weights (a folder, or []), hub (true where a hub keeps the weights)
    registry // file: models.yml
    cache // string: folder that keeps downloads between runs, or '' for that of the hub's client
    code // string: SHA-256 of the scripts and the package

    main:
    FETCH_WEIGHTS(channel.fromList(models.findAll { model -> model.hub }.collect { model -> model.name }), registry, cache, code)

    ready = channel
        .fromList(models.findAll { model -> !model.hub }.collect { model -> [model.name, model.weights] })
        .mix(FETCH_WEIGHTS.out.weights)

    emit:
    ready // [name, folder], a model at a time; [] where there is none
}
