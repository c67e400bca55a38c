// Reads a JSON array of Kubernetes objects from standard input, and prints what
// is wrong with them as a JSON array of texts: values by the schemas, and members
// that no schema knows. The schemas themselves let unknown members pass, so each
// object is watched: what the check never looked at, it does not know.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(process.cwd() + '/')
const groups = { '': 'Core', apps: 'Apps', policy: 'Policy', 'networking.k8s.io': 'Networking' }
const problems = []

for (const object of JSON.parse(readFileSync(0, 'utf8'))) {
  const name = `${object.kind} ${object.metadata?.name}`
  const [version, group = ''] = object.apiVersion.split('/').reverse()
  const schema = `IoK8sApi${groups[group]}${version[0].toUpperCase()}${version.slice(1)}${object.kind}`
  const { validate } = require(`./node_modules/kubernetes-models/_schemas/${schema}.js`)
  const looked = new Map() // object -> names of the members that were looked at
  const watch = (value) => {
    if (typeof value !== 'object' || value === null) return value
    const names = looked.get(value) ?? new Set()
    looked.set(value, names)
    return new Proxy(value, { get: (target, key) => (names.add(key), watch(target[key])) })
  }
  if (!validate(watch(object))) {
    for (const e of validate.errors) problems.push(`${name}${e.instancePath}: ${e.keyword} ${JSON.stringify(e.params)}`)
    continue
  }
  const search = (value, path) => {
    if (typeof value !== 'object' || value === null) return
    const names = looked.get(value)
    for (const [key, member] of Object.entries(value)) {
      if (names?.has(key)) search(member, `${path}/${key}`)
      else problems.push(`${name}${path}/${key}: there is no such member`)
    }
  }
  search(object, '')
}
console.log(JSON.stringify(problems))
