import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonDeserializer;
import com.fasterxml.jackson.databind.JsonSerializer;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.module.SimpleModule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;

/** java Read FILE TITLE...: read each file's JSON as both generators' class of that title, and print what was read. */
public class Read {
  public static void main(String[] arguments) throws Exception {
    ObjectMapper mapper = new ObjectMapper().registerModule(times());
    Class<?> converter = Class.forName("quicktype.Converter");
    for (int at = 0; at < arguments.length; at += 2) {
      String json = Files.readString(Path.of(arguments[at]));
      String title = arguments[at + 1];
      System.out.println(mapper.writeValueAsString(mapper.readValue(json, Class.forName("modelina." + title))));
      Object read = converter.getMethod(title + "FromJsonString", String.class).invoke(null, json);
      System.out.println(mapper.writeValueAsString(read));
    }
  }

  /** What jackson-datatype-jsr310 does, which Kafka's jars do not have. */
  private static SimpleModule times() {
    SimpleModule module = new SimpleModule();
    module.addDeserializer(OffsetDateTime.class, new JsonDeserializer<>() {
      @Override
      public OffsetDateTime deserialize(JsonParser parser, DeserializationContext context) throws IOException {
        return OffsetDateTime.parse(parser.getText());
      }
    });
    module.addSerializer(OffsetDateTime.class, new JsonSerializer<>() {
      @Override
      public void serialize(OffsetDateTime time, JsonGenerator json, SerializerProvider provider) throws IOException {
        json.writeString(time.toString());
      }
    });
    return module;
  }
}
