//
// `--genome NAME`: the files of a reference genome, from conf/genomes.config, for the parameters that were not given.
//

/**
 * The run's parameters, completed from its genome.
 *
 * @param given the run's parameters
 * @return a map of them without `genomes`, in which absent files have their published or mirrored address
 */
def with_genome(given) {
    def plain = given.findAll { name, _value -> name != 'genomes' }
    if (!given.genome) {
        return plain
    }
    if (!given.genomes.containsKey(given.genome)) {
        error("--genome is '${given.genome}'; use one of ${given.genomes.keySet().sort().join(', ')}, or give the files themselves.")
    }
    def base = given.genomes_base ? "${given.genomes_base}/${given.genome}" : null
    plain + given.genomes[given.genome]
        .findAll { name, _address -> plain.containsKey(name) && !plain[name] }
        .collectEntries { name, address -> [name, base ? "${base}/${address.tokenize('/').last()}".toString() : address] }
}
