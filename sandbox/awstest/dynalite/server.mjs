// Starts dynalite in memory on a free port, says which, and ends with its
// standard input, so that no test leaves one behind.
import dynalite from 'dynalite'

const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
